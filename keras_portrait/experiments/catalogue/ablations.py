"""What each part of the asymmetric cycle is good for.

Yi et al., CVPR 2020, leave out the relaxed cycle loss, the local discriminators, HED, the style
loss and the truncation one by one; Yi et al., TPAMI 2022, table 5, has figures for the first three.
"""

from keras_portrait.experiments import figures
from keras_portrait.experiments.declaration import FID, KID, Declaration, Figure, Row

_RECIPE = "portrait.toml"

EXPERIMENT = Declaration(
    name="ablations",
    title="Ablations of the asymmetric cycle",
    question="What does each part of the asymmetric cycle do? The method is trained as it is, and "
    "again with one part left out.",
    rows=(
        Row("full", "full method", _RECIPE, explanation="Nothing is left out."),
        Row(
            "no-style",
            "no style loss",
            _RECIPE,
            ("loss.style=0",),
            "The discriminator has no style head, so nothing asks for the style that was chosen.",
        ),
        Row(
            "no-truncation",
            "no truncation",
            _RECIPE,
            ("loss.truncation=false",),
            "The drawing goes back to the photo with all its gray levels, to the end.",
        ),
        Row(
            "strict-cycle",
            "strict cycle",
            _RECIPE,
            ("loss.forward_cycle=l1",),
            "CycleGAN's L1 between photo and reconstruction takes the place of the relaxed cycle.",
        ),
        Row(
            "no-hed",
            "no HED",
            _RECIPE,
            ("loss.forward_cycle=photos",),
            "LPIPS compares photo and reconstruction themselves, not their edges.",
        ),
        Row(
            "no-local",
            "no local discriminators",
            _RECIPE,
            ("loss.local=0",),
            "Nobody looks at eyes, nose and lips by themselves.",
        ),
    ),
    measures=(
        *(FID, KID, "style_accuracy", "style_distance", "face_found", "landmark_error"),
        *("hed_lpips", "mid_gray", "gray_levels", "empty_parts", "readable_eyes"),
    ),
    figures=(
        Figure(
            "drawings",
            "The same photos, drawn by each run",
            "A row is a photo in one style, a column a run.",
            figures.drawings,
        ),
        Figure("losses", "Losses", "Those of the full method, over its epochs.", figures.curves),
    ),
    differences=True,
)
