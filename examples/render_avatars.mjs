// Renders avatars to PNG files. render_avatars.py runs this inside the folder of the npm packages,
// the script on stdin and the request as the only argument, JSON:
//   {out: folder, size: pixels, seed: number, counts: {style: how many}}
// Style folders must exist. Prints a line for each avatar, "new" or "there". With {credits:
// [style, ...]} it prints what the packages say of each design, as JSON, and renders nothing.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const HAIR = [
  '0e0e0e', '3b2417', '6a4e35', 'ac6511', 'cb6820', 'ab2a18', 'e5d7a3',
  'afafaf', '3eac2c', '85c2c6', 'dba3be', '592454', '4a5fc1',
];
const SKIN = ['ffe3cf', 'f2d3b1', 'ecad80', 'c68642', '9e5622', '763900'];
const BACKGROUND = [
  'f7c8d3', 'f5d6a8', 'f2eda2', 'c7e3a8', 'a5dcc4', 'a8d8ea',
  'b4c2f0', 'd8bdee', 'f4a896', 'e8e4dc', '8fb8d0', 'c9a7c7',
];

// Scale and shift, in percent, let the face fill the square: the designs leave room around it.
const OPTIONS = {
  adventurer: { scale: 130, translateX: 2, translateY: -4 },
  // Black lines on white by default.
  lorelei: { scale: 140, translateY: 8, hairColor: HAIR, skinColor: SKIN },
  micah: {
    scale: 125,
    translateX: 2,
    translateY: 8,
    baseColor: ['f9c9b6', 'e3ab8d', 'ac6651', '77311d'],
    // Without "mrT", which lacks outlines, and "dougFunny", a second kind of bald head.
    hair: ['fonze', 'mrClean', 'dannyPhantom', 'full', 'turban', 'pixie'],
  },
  'toon-head': {
    scale: 140,
    translateY: 4,
    // By default half of them are bearded, hair is brown or blond, and on the darkest skin the
    // mouth and closed eyes cannot be made out.
    beardProbability: 20,
    hairColor: HAIR,
    skinColor: ['f1c3a5', 'dba98c', 'c68e7a', 'b98e6a', 'a36b4f', '7d4f38'],
  },
};

// Unlike console.log this fails when nobody reads any more, which ends the script.
function say(line) {
  fs.writeSync(1, `${line}\n`);
}

function load(style) {
  return import(`@dicebear/${style}`);
}

async function printCredits(styles) {
  const metas = await Promise.all(styles.map(async (style) => [style, (await load(style)).meta]));
  say(JSON.stringify(Object.fromEntries(metas)));
}

async function renderAll({ out, size, seed, counts }) {
  const { createAvatar } = await import('@dicebear/core');
  const { Resvg } = await import('@resvg/resvg-js');
  // The designs hold no text; looking for the system's fonts would take longer than rendering.
  const options = { fitTo: { mode: 'width', value: size }, font: { loadSystemFonts: false } };
  for (const [name, count] of Object.entries(counts)) {
    const style = await load(name);
    for (let number = 0; number < count; number++) {
      const file = path.join(out, name, `${String(number).padStart(6, '0')}.png`);
      if (fs.existsSync(file)) {
        say('there');
        continue;
      }
      const svg = createAvatar(style, {
        ...OPTIONS[name],
        backgroundColor: BACKGROUND,
        // DiceBear's random numbers are alike where seeds are: hashing gives unlike ones.
        seed: createHash('sha256').update(`${seed}/${name}/${number}`).digest('hex'),
      });
      writeWhole(file, new Resvg(svg.toString(), options).render().asPng());
      say('new');
    }
  }
}

function writeWhole(file, data) {
  const part = path.join(path.dirname(file), `.part-${process.pid}-${path.basename(file)}`);
  try {
    fs.writeFileSync(part, data);
    fs.renameSync(part, file);
  } finally {
    fs.rmSync(part, { force: true });
  }
}

const request = JSON.parse(process.argv.at(-1));
try {
  await (request.credits ? printCredits(request.credits) : renderAll(request));
} catch (error) {
  console.error(error.message.split('\n')[0]);
  process.exitCode = 1;
}
