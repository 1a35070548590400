"""How pages write days, where it differs from what Django ships."""
