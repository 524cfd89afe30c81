"""Tools: typed functions that models, code in kernels and other programs call through one gate."""
