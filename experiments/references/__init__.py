"""Methods beside independent implementations of them, on the same data and prior."""
