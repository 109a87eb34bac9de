"""What is asked of a page, as expressions that run in it; the phone is 360 pixels wide."""

# Not `innerWidth`: a phone's browser widens that for a page that does not fit.
CUT_OFF = """[...document.querySelectorAll(
    'button, a, input, legend, summary, canvas, p, td, span')]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.id || each.innerText || each.value, each.getBoundingClientRect()])
  .filter(([name, box]) => box.left < 0 || box.right > 360 || !box.width)
  .map(([name]) => name)"""
HARD_TO_TOUCH = """[...document.querySelectorAll('button, a, label, summary')]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
  .map((each) => each.innerText)"""
WIDER = "document.documentElement.scrollWidth > 360"

# Contrast of each text with what is behind it, by WCAG 2: (lighter + 0.05) / (darker + 0.05).
FAINT = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3)
    .map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (each) => {
    const colour = getComputedStyle(each).backgroundColor;
    return numbers(colour)[3] === 0 ? behind(each.parentElement) : colour;
  };
  const contrast = (each) => {
    const both = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => b - a);
    return (both[0] + 0.05) / (both[1] + 0.05);
  };
  return [...document.querySelectorAll('p, a, button, legend, summary, th, td, span, output')]
    .filter((each) => each.checkVisibility() && each.innerText && contrast(each) < 4.5)
    .map((each) => [each.innerText, contrast(each)]);
})()"""


def accessible_names(page) -> tuple[set[str], list[str]]:
    """The names that a screen reader hears, and the roles of parts that have none."""
    nodes = [
        node for node in page.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]
    ]
    named = {"button", "slider", "radio", "checkbox", "image", "group", "region", "link"}
    names = {node["name"]["value"] for node in nodes if node.get("name", {}).get("value")}
    without = [
        node["role"]["value"]
        for node in nodes
        if node["role"]["value"] in named and not node.get("name", {}).get("value")
    ]
    return names, without
