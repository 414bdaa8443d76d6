"""What people and machines read: the site."""
