"""What applications and operators reach over HTTP: flags out, outcomes in, control."""
