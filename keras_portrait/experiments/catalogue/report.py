"""The figures of the report "Generating Anime Avatars Using GAN" (2020).

Avatars from noise by DCGAN, and from photos by CycleGAN and CartoonGAN.
"""

from functools import partial

from keras_portrait.experiments import figures
from keras_portrait.experiments.declaration import FID, KID, Declaration, Figure, Row


def _curves(key: str, title: str) -> Figure:
    return Figure(
        f"losses-{key}", f"Losses of {title}", "Over the epochs.", partial(figures.curves, key=key)
    )


EXPERIMENT = Declaration(
    name="report",
    title="Generating avatars using GAN",
    question="What the report shows of avatars out of noise, and of photos turned into avatars, "
    "made again: a random grid, continuous noise, progress, losses, both translations and their "
    "comparison.",
    rows=(
        Row("dcgan", "DCGAN", "dcgan.toml", explanation="Avatars from noise."),
        Row("cyclegan", "CycleGAN", "cyclegan.toml", explanation="Photos to avatars and back."),
        Row(
            "cartoongan",
            "CartoonGAN",
            "cartoongan.toml",
            explanation="Photos to avatars, with the report's style loss.",
        ),
    ),
    measures=(
        *(FID, KID, "face_found", "landmark_error", "hed_lpips", "photo_difference", "colour"),
    ),
    figures=(
        Figure(
            "random", "DCGAN: random noise", "The first noise of seed 0.", figures.random_pictures
        ),
        Figure(
            "continuous",
            "DCGAN: continuous noise",
            "Each row leads from one noise vector to another, along an arc.",
            figures.noise_interpolation,
        ),
        Figure(
            "progress",
            "DCGAN: progress",
            "A row is a noise vector, a column an epoch.",
            partial(figures.progress, key="dcgan"),
        ),
        _curves("dcgan", "DCGAN"),
        Figure(
            "cyclegan",
            "CycleGAN: photos and avatars, there and back",
            "Held-back photos A and avatars B.",
            partial(figures.newest_samples, key="cyclegan"),
            shows_photos=True,
        ),
        _curves("cyclegan", "CycleGAN"),
        Figure(
            "cartoongan",
            "CartoonGAN: photos and cartoons",
            "Held-back photos.",
            partial(figures.newest_samples, key="cartoongan"),
            shows_photos=True,
        ),
        _curves("cartoongan", "CartoonGAN"),
        Figure(
            "comparison",
            "Photo, CycleGAN, CartoonGAN",
            "The same photos, made into avatars by both.",
            figures.drawings,
        ),
    ),
)
