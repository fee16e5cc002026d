"""Run folders: how a training is carried out and kept, and how it is recognised and measured later."""
