"""The study of MNIST and Fashion-MNIST: see README.md."""
