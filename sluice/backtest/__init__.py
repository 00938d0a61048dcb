"""A against A: the real criteria over counts that were really made, with an imaginary candidate that is no other."""
