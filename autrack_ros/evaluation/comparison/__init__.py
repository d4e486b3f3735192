"""What several runs over the same sequences differ in; see ``autrack compare``."""
