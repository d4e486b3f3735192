"""Pictures that are made for the training: views of 3-D models, still and animated."""
