"""The text of od.config: read into plain values with their line numbers, never run.

`source` is where the text comes from, a file or standard input. `reader` reads it: its lines by
`ini`, its values by `literals`, within the bounds of `value_tokens`. `recovery` finds every fault
in a value that is not a literal. `whole_file` says whether pyos takes the file, by what is
`evaluable`, and `other_files` what it is instead. `difference` tells two of them apart without a
secret.
"""
