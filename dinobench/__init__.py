"""dinobench: score any vision backbone the way the DINO paper does."""
