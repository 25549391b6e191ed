"""What the data stage looks for, one kind of defect a file; each check returns findings."""
