"""Speech out of noise: enhancers as black boxes, over files of any length, trained and measured."""
