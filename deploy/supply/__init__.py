"""What the image contains that others wrote: a bill of materials, and an audit of it.

Both read `requirements.txt`, which pins by hash everything that is installed into the image.
"""
