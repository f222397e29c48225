"""Builders, fakes and fake clocks that several test rooms share."""
