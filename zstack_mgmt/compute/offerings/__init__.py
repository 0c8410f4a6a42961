"""Instance and disk offerings: the sizes that can be asked for."""
