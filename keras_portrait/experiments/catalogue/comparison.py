"""The asymmetric cycle beside CycleGAN and CartoonGAN, on the same photos and drawings.

Yi et al., CVPR 2020, compare with CycleGAN, DualGAN and others; the report "Generating Anime
Avatars Using GAN" (2020) with CycleGAN and CartoonGAN.
"""

from keras_portrait.experiments import figures
from keras_portrait.experiments.declaration import FID, KID, Declaration, Figure, Row

EXPERIMENT = Declaration(
    name="comparison",
    title="Asymmetric cycle, CycleGAN and CartoonGAN",
    question="What do methods that were not made for drawings make of the same photos and "
    "drawings? CycleGAN and CartoonGAN know no styles: they learn all drawings as one kind of "
    "picture, in colour, and are held against each style in turn.",
    rows=(
        Row(
            "asymmetric-cycle",
            "asymmetric cycle",
            "portrait.toml",
            explanation="One generator of all styles, in gray.",
        ),
        Row("cyclegan", "CycleGAN", "cyclegan.toml", explanation="Strict cycles both ways."),
        Row(
            "cartoongan",
            "CartoonGAN",
            "cartoongan.toml",
            explanation="A content loss on VGG features, and drawings with blurred edges as fakes.",
        ),
    ),
    measures=(
        *(FID, KID, "face_found", "landmark_error", "hed_lpips", "mid_gray", "gray_levels"),
        *("empty_parts", "readable_eyes", "photo_difference", "colour"),
    ),
    figures=(
        Figure(
            "drawings",
            "The same photos, drawn by each method",
            "A row is a photo, in one style where the method has styles; a column a method.",
            figures.drawings,
        ),
    ),
    differences=True,
)
