"""Where documents come from. They look and hash; they never parse."""
