// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime_video/write_video.h"

#include <cstring>
#include <stdexcept>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace graft::testing {
namespace {

void check(int result) {
  if (result < 0) throw std::runtime_error("write_video: FFmpeg refused");
}

struct Writer {
  AVFormatContext* format = nullptr;
  AVStream* stream = nullptr;
  AVPacket* packet = av_packet_alloc();
  std::int64_t frame = 0;

  void encode(AVCodecContext* codec, const AVFrame* picture) const {
    check(avcodec_send_frame(codec, picture));
    while (avcodec_receive_packet(codec, packet) == 0) {
      packet->stream_index = stream->index;
      packet->duration = 1;
      av_packet_rescale_ts(packet, codec->time_base, stream->time_base);
      check(av_interleaved_write_frame(format, packet));
    }
  }
};

AVCodecContext* open_codec(const VideoPart& part, int fps, int flags) {
  const AVCodec* kind = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
  AVCodecContext* codec = avcodec_alloc_context3(kind);
  codec->width = part.width;
  codec->height = part.height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->time_base = {1, fps};
  codec->gop_size = 5;
  codec->bit_rate = 400000;
  codec->flags |= flags;
  check(avcodec_open2(codec, kind, nullptr));
  return codec;
}

void write_part(Writer& writer, AVCodecContext* codec, const VideoPart& part) {
  AVFrame* picture = av_frame_alloc();
  picture->format = AV_PIX_FMT_YUV420P;
  picture->width = part.width;
  picture->height = part.height;
  check(av_frame_get_buffer(picture, 0));
  for (int n = 0; n < part.frames; ++n) {
    check(av_frame_make_writable(picture));
    // Luma 16..235 is black to white.
    const int grey = 40 + 8 * static_cast<int>(writer.frame % 16);
    const int luma = 16 + grey * 219 / 255;
    for (int y = 0; y < part.height; ++y) {
      std::memset(picture->data[0] + static_cast<std::ptrdiff_t>(y) * picture->linesize[0], luma,
                  static_cast<std::size_t>(part.width));
    }
    for (int plane = 1; plane < 3; ++plane) {
      for (int y = 0; y < part.height / 2; ++y) {
        std::memset(
            picture->data[plane] + static_cast<std::ptrdiff_t>(y) * picture->linesize[plane], 128,
            static_cast<std::size_t>(part.width / 2));
      }
    }
    picture->pts = writer.frame++;
    writer.encode(codec, picture);
  }
  writer.encode(codec, nullptr);
  av_frame_free(&picture);
}

}  // namespace

bool write_video(const std::filesystem::path& path, const std::vector<VideoPart>& parts, int fps) {
  Writer writer;
  // FFmpeg would take this name for one of Apple's MP4 files.
  const char* kind = path.extension() == ".m4v" ? "m4v" : nullptr;
  check(avformat_alloc_output_context2(&writer.format, nullptr, kind, path.c_str()));
  const int flags =
      (writer.format->oformat->flags & AVFMT_GLOBALHEADER) != 0 ? AV_CODEC_FLAG_GLOBAL_HEADER : 0;
  AVCodecContext* codec = open_codec(parts.front(), fps, flags);
  writer.stream = avformat_new_stream(writer.format, nullptr);
  writer.stream->time_base = codec->time_base;
  writer.stream->avg_frame_rate = {fps, 1};
  check(avcodec_parameters_from_context(writer.stream->codecpar, codec));
  check(avio_open(&writer.format->pb, path.c_str(), AVIO_FLAG_WRITE));
  check(avformat_write_header(writer.format, nullptr));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) codec = open_codec(parts[i], fps, flags);
    write_part(writer, codec, parts[i]);
    avcodec_free_context(&codec);
  }
  check(av_write_trailer(writer.format));
  avio_closep(&writer.format->pb);
  avformat_free_context(writer.format);
  av_packet_free(&writer.packet);
  return true;
}

}  // namespace graft::testing
