"""What every room needs of the machine: devices, files, seeds, stamps, the console."""
