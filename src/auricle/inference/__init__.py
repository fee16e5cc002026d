"""Using what was trained: windows of long recordings, and tables of what was found."""
