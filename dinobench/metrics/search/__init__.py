"""The rows of a bank with the largest inner products to each query, exactly."""
