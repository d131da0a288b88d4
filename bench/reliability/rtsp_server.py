#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A camera: serves a moving test picture as rtsp://127.0.0.1:PORT/cam, with motion JPEG, by GStreamer's RTSP server.

Commands on standard input, one a line: `size WIDTH HEIGHT` changes the picture's size, now and for later connections.
Needs python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-base.
"""
import argparse
import sys
import threading

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--fps", type=int, default=15)
    p.add_argument("--size", default="160x120")
    args = p.parse_args()
    Gst.init(None)
    state = {"size": tuple(map(int, args.size.split("x"))), "filters": []}

    def caps_text():
        return f"video/x-raw,format=I420,width={state['size'][0]},height={state['size'][1]},framerate={args.fps}/1"

    def launch():
        return (f"( videotestsrc is-live=true pattern=ball ! videoscale ! capsfilter name=size caps={caps_text()} "
                "! jpegenc ! rtpjpegpay name=pay0 pt=26 )")

    def configure(_factory, media):
        state["filters"].append(media.get_element().get_by_name("size"))

    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(args.port))
    camera = GstRtspServer.RTSPMediaFactory()
    camera.set_launch(launch())
    camera.connect("media-configure", configure)
    server.get_mount_points().add_factory("/cam", camera)
    server.attach(None)

    def commands():
        for line in sys.stdin:
            words = line.split()
            if words[:1] == ["size"]:
                state["size"] = (int(words[1]), int(words[2]))
                camera.set_launch(launch())
                for size in state["filters"]:
                    size.set_property("caps", Gst.Caps.from_string(caps_text()))

    threading.Thread(target=commands, daemon=True).start()
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
