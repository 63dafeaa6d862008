"""Which images to label next: disagreement of the weights against chance."""
