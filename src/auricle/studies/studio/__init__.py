"""`auricle studio`: a local web page over auricle's functions.

What computes (`sounds`, `situation`, `pictures`, `models`, `results`, `reports`) knows nothing of the page. `cards`
makes HTML of it, and `bench` brings both together; `layout` arranges the page with Gradio, and `server` serves it.
"""
