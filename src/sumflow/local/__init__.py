"""Runtime one: the declared system as ordinary processes of one machine, with no container engine and no cluster.

The command line speaks to `facade`; everything else here is what the facade is made of.
"""
