"""One call: a webrtcbin between PulseAudio and a browser.

It logs each event in a line. No line is secret: it never prints the text of the pipeline,
which contains TURN_SERVER, nor the session descriptions.
"""

from __future__ import annotations

from typing import Any, Mapping

import gi
import pulse

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

ELEMENTS = (
    *("webrtcbin", "nicesrc", "dtlssrtpenc", "srtpenc"),
    *("pulsesrc", "opusenc", "rtpopuspay"),
    *("rtpopusdepay", "opusdec", "audioconvert", "audioresample", "pulsesink"),
)
SERVERS = {"STUN_SERVER": "stun-server", "TURN_SERVER": "turn-server"}
FRAME = 20_000  # microseconds of an Opus packet; with less there is more work for nothing
INTO_DESKTOP = f"""
    rtpopusdepay ! opusdec ! audioconvert ! audioresample ! pulsesink device={pulse.VOICE}
"""


def missing_elements() -> list[str]:
    """Return the elements that GStreamer lacks for a call."""
    Gst.init(None)
    return [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]


def description(environ: Mapping[str, str], relay_only: bool) -> str:
    """Return the text of the pipeline, with the variables inserted unquoted."""
    servers = [f"{option}={environ[name]}" for name, option in SERVERS.items() if name in environ]
    policy = "ice-transport-policy=relay" if relay_only else ""
    return f"""
        webrtcbin name=sendrecv {policy} {" ".join(servers)}
        pulsesrc device={pulse.SPEAKER}.monitor latency-time={FRAME} !
        opusenc ! rtpopuspay ! queue !
        application/x-rtp,media=audio,encoding-name=OPUS,payload=96 ! sendrecv.
    """


class Call:
    """A call that starts itself: it sends the offer as soon as that exists.

    `send` is called with messages for the browser, as dicts, in threads of GStreamer.
    """

    def __init__(self, environ: Mapping[str, str], relay_only: bool, send: Any) -> None:
        self._send = send
        try:
            self._pipeline = Gst.parse_launch(description(environ, relay_only))
        except GLib.Error:
            self._pipeline = None
        if self._pipeline is None:  # the error's text would show TURN_SERVER
            say("no pipeline: GStreamer does not accept this STUN_SERVER or TURN_SERVER")
            return
        self._webrtc = self._pipeline.get_by_name("sendrecv")
        self._webrtc.connect("on-negotiation-needed", self._offer)
        self._webrtc.connect("on-ice-candidate", self._send_candidate)
        self._webrtc.connect("pad-added", self._play)
        self._webrtc.connect("notify::ice-gathering-state", say_state, "ice-gathering-state")
        self._webrtc.connect("notify::ice-connection-state", say_state, "ice-connection-state")
        self._pipeline.set_state(Gst.State.PLAYING)

    def receive(self, message: Any) -> None:
        """Handle a message from the browser: its answer, or one of its candidates."""
        if not self._pipeline or not isinstance(message, dict):
            return
        answer, ice = message.get("sdp"), message.get("ice")
        if answer:
            _, parsed = GstSdp.SDPMessage.new_from_text(answer["sdp"])
            kind = GstWebRTC.WebRTCSDPType.ANSWER
            described = GstWebRTC.WebRTCSessionDescription.new(kind, parsed)
            self._webrtc.emit("set-remote-description", described, Gst.Promise.new())
        elif ice and ice["candidate"]:
            self._webrtc.emit("add-ice-candidate", ice["sdpMLineIndex"], ice["candidate"])

    def close(self) -> None:
        """End the call."""
        if self._pipeline:
            self._pipeline.set_state(Gst.State.NULL)
            say("call ended")

    def _offer(self, webrtc: Any) -> None:
        def on_offer(promise: Any, *_: Any) -> None:
            reply = promise.get_reply()  # it owns the offer
            offer = reply.get_value("offer")
            webrtc.emit("set-local-description", offer, Gst.Promise.new())
            self._send({"sdp": {"type": "offer", "sdp": offer.sdp.as_text()}})

        webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer, None, None))

    def _send_candidate(self, _: Any, line: int, candidate: str) -> None:
        fields = candidate.split()
        say("candidate", fields[fields.index("typ") + 1], fields[2], fields[4])
        self._send({"ice": {"candidate": candidate, "sdpMLineIndex": line}})

    def _play(self, webrtc: Any, pad: Any) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        say("the browser's microphone is connected")
        player = Gst.parse_bin_from_description(INTO_DESKTOP, True)
        self._pipeline.add(player)
        player.sync_state_with_parent()
        pad.link(player.get_static_pad("sink"))


def say_state(webrtc: Any, _: Any, name: str) -> None:
    """Log a new state of webrtcbin."""
    say(name, webrtc.get_property(name).value_nick)


def say(*words: object) -> None:
    """Print a line of the container's log."""
    print(*words, flush=True)
