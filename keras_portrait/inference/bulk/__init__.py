"""Drawing in bulk: many photos, by several processes, from and to folders or stores.

A job takes every photo below IN and writes its drawing below OUT. `job.draw_in_bulk` is the way in;
`manifest` knows what is finished, and `local_engine` and `ray_engine` share out the work. Workers
only turn the bytes of a photo into the bytes of a drawing: a worker that is killed can neither
leave half a file nor a wrong line in the manifest.
"""
