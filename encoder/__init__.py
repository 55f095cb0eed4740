"""The building blocks of the BERT encoder, as TensorFlow graph code.

`layers` contains the layers and their initialisation, `attention` multi-head attention,
`unpadding` the indices that take padding out of a batch and put it back, and
`mixed_precision` the types that matrix products run in, with loss scaling; `gradients`
helps the optimiser. The package imports nothing else of this project: `modeling.py` and
this folder are the whole model.
"""
