"""The HTTP server of ``abcwebrtc serve``: nobody's slowness costs anybody else time.

cheroot, CherryPy's own server, gives a thread to each connection that it reads
from, so ten clients that are slow on purpose keep all others waiting. Here one
thread, `loop`, does all the reading and writing, TLS included, and never waits
for anybody. A worker gets a request when the last byte of it has arrived, and
gives its answer back as bytes. Within the worker it is still cheroot that
parses the request and calls the application (`wsgi`), so what a request means
is as it was, and no dependency is new.

`framing` finds where a request ends, and knows no socket; `connection` is one
client; `loop` has all of them, the limits on time and number, and the stop.
"""
