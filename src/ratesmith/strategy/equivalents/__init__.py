"""What the schedules of other libraries are here: a function for each, with the options that it has there."""
