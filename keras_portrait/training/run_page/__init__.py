"""What a person sees of a training run: its losses as a table and as curves, and a page.

Everything is made from the run folder alone, so it can be made again at any time.
"""

from keras_portrait.training.run_page.curves import write_curves
from keras_portrait.training.run_page.loss_log import read_losses, write_csv
from keras_portrait.training.run_page.page import write_run_page
from keras_portrait.training.run_page.progress_sheet import write_progress_sheet

__all__ = ["read_losses", "write_csv", "write_curves", "write_progress_sheet", "write_run_page"]
