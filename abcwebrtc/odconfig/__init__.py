"""The text of od.config: read into plain values with their line numbers, never run.

`reader` reads a file: its lines by `ini`, its values by `literals`, within the bounds of
`value_tokens`. `whole_file` says whether pyos takes the file, by what is `evaluable`, and
`other_files` what it is instead. `difference` tells two of them apart without a secret.
"""
