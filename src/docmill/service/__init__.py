"""What docmill can do, as functions: settings and plain values in, one result out. The command line calls these.

One module a subject. Nothing here prints, asks or exits; long work tells a reporter how it goes.
"""
