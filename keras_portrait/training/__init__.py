"""How a method is trained: the loop, run folders, checkpoints. It knows no method."""
