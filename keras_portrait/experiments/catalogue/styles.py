"""Styles between the learned ones, and the style of a drawing that was not learned from.

Yi et al., CVPR 2020: one generator draws in several styles, chosen by a vector; shares of a style
classifier stand for the style of drawings that are between them.
"""

from keras_portrait.experiments import figures
from keras_portrait.experiments.declaration import KID, Declaration, Figure, Row

EXPERIMENT = Declaration(
    name="styles",
    title="Styles, and what lies between them",
    question="How different are the styles of one generator, what lies between two of them, and "
    "which vector of styles does a reference drawing have?",
    rows=(
        Row(
            "classifier",
            "style classifier",
            "style-classifier.toml",
            ("data.write_shares=false",),
            "Tells the style vector of a drawing.",
        ),
        Row("generator", "generator", "portrait.toml", explanation="Draws in all styles."),
    ),
    measures=(KID, "style_accuracy", "style_distance", "face_found", "hed_lpips", "mid_gray"),
    figures=(
        Figure(
            "interpolation",
            "From one style to another",
            "Each row leads from one style to another, the photo staying the same.",
            figures.style_interpolation,
        ),
        Figure(
            "references",
            "The style vector of a drawing",
            "A reference drawing, what the classifier tells of its style, and the photo drawn with "
            "that vector.",
            figures.reference_styles,
        ),
        Figure(
            "confusion",
            "Which style was taken for which",
            "What the classifier says of drawings that it did not learn from.",
            figures.confusion,
        ),
    ),
    by_style=True,
    has_styles=True,
)
