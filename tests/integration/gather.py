"""Gather ICE candidates with webrtcbin, as the script of a desktop's sound container does.

Runs on the system's python3, which Debian's GStreamer is for. STUN_SERVER and
TURN_SERVER of the environment go into the text of the pipeline without quotes. Prints
a JSON object a line: each candidate, what went wrong, and how it ended. With
``--check`` it only says what of GStreamer is missing.
"""

import json
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402, F401

SECONDS = 60
ELEMENTS = ("webrtcbin", "nicesrc", "dtlssrtpenc", "srtpenc", "opusenc", "rtpopuspay")
SERVERS = {"STUN_SERVER": "stun-server", "TURN_SERVER": "turn-server"}


def main():
    Gst.init(None)
    if "--check" in sys.argv:
        missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
        sys.exit(f"GStreamer has no {', '.join(missing)}" if missing else 0)
    try:
        pipeline = Gst.parse_launch(description(os.environ))
    except GLib.Error as error:
        say(error=error.message, end="no pipeline")
        return
    say(end=gather(pipeline))
    pipeline.set_state(Gst.State.NULL)


def description(environ):
    """Return the text of the pipeline, with the variables unquoted."""
    servers = [f"{option}={environ[name]}" for name, option in SERVERS.items() if name in environ]
    return f"""
        webrtcbin name=sendrecv {" ".join(servers)}
        audiotestsrc is-live=true ! opusenc ! rtpopuspay !
        application/x-rtp,media=audio,encoding-name=OPUS,payload=96 ! sendrecv.
    """


def gather(pipeline):
    """Make an offer, print its candidates, and return how gathering ended."""
    loop, ends = GLib.MainLoop(), []

    def end(how):
        ends.append(how)
        loop.quit()

    def on_state(element, _):
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if element.get_property("ice-gathering-state") == complete:
            GLib.idle_add(end, "complete")  # after the candidates, which come in other threads

    webrtc = pipeline.get_by_name("sendrecv")
    webrtc.connect("on-negotiation-needed", offer)
    webrtc.connect("on-ice-candidate", lambda *arguments: say_candidate(arguments[-1]))
    webrtc.connect("notify::ice-gathering-state", on_state)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", lambda _, message: say(error=message.parse_error()[0].message))
    GLib.timeout_add_seconds(SECONDS, end, "too late")
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    return ends[0]


def offer(webrtc):
    def on_offer(promise, *_):
        reply = promise.get_reply()  # it owns the offer
        webrtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer, None, None))


def say_candidate(text):
    """Print the fields of a candidate by their names in RFC 8839."""
    fields = text.split()
    extensions = dict(zip(fields[6::2], fields[7::2]))
    say(
        candidate=text,
        protocol=fields[2],
        address=fields[4],
        type=extensions["typ"],
        related=extensions.get("raddr"),
    )


def say(**fields):
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
