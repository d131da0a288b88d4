// SPDX-License-Identifier: Apache-2.0
// The FFmpeg plug-in: files, RTSP over TCP and V4L2 cameras by libav*. Nothing of it logs: FFmpeg's
// own messages would show addresses with their passwords.
#include <cmath>
#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavdevice/avdevice.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

#include "runtime/video/ffmpeg_plugin.h"

namespace graft::video {
namespace {

using Clock = std::chrono::steady_clock;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(&p);
  }
};
using FormatPtr = std::unique_ptr<AVFormatContext, Freed<avformat_close_input>>;
using CodecPtr = std::unique_ptr<AVCodecContext, Freed<avcodec_free_context>>;
using FramePtr = std::unique_ptr<AVFrame, Freed<av_frame_free>>;
using PacketPtr = std::unique_ptr<AVPacket, Freed<av_packet_free>>;
struct FreeScaler {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};

std::string text_of(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

class FfmpegSource final : public FrameSource {
 public:
  FfmpegSource(const SourceUri& uri, const SourceOptions& options);

  bool next(Frame& frame) override;
  double fps() const override { return fps_; }
  std::int64_t corrupt() const override { return corrupt_; }

 private:
  /// FFmpeg asks this while it waits; 1 ends the wait.
  static int interrupted(void* self);
  [[nodiscard]] bool stopped() const { return options_.stop != nullptr && *options_.stop; }
  [[nodiscard]] bool late() const { return uri_.live() && Clock::now() > deadline_; }

  [[noreturn]] void give_up(SourceFault fault, const std::string& why, Errc code = Errc::kIo) const;
  void open_input();
  void open_decoder();
  /// Hands the decoder its next packet; false once there are no more.
  bool feed();
  void convert(ImageU8& image);

  SourceUri uri_;
  SourceOptions options_;
  Clock::time_point deadline_;
  FormatPtr format_;
  CodecPtr codec_;
  FramePtr decoded_{av_frame_alloc()};
  PacketPtr packet_{av_packet_alloc()};
  std::unique_ptr<SwsContext, FreeScaler> scaler_;
  int stream_ = -1;
  double fps_ = 0, seconds_per_tick_ = 0;
  bool draining_ = false;
  int unreadable_ = 0;  // reads in a row
  std::int64_t corrupt_ = 0;
};

FfmpegSource::FfmpegSource(const SourceUri& uri, const SourceOptions& options)
    : uri_(uri), options_(options), deadline_(Clock::now() + options.open_timeout) {
  av_log_set_level(AV_LOG_QUIET);
  if (uri_.kind == SourceKind::kV4l2) avdevice_register_all();
  open_input();
  open_decoder();
  const AVStream* stream = format_->streams[stream_];
  seconds_per_tick_ = av_q2d(stream->time_base);
  const AVRational rate = av_guess_frame_rate(format_.get(), format_->streams[stream_], nullptr);
  fps_ = options_.fps > 0 ? options_.fps : rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
}

int FfmpegSource::interrupted(void* self) {
  const auto* source = static_cast<const FfmpegSource*>(self);
  return source->stopped() || source->late() ? 1 : 0;
}

void FfmpegSource::give_up(SourceFault fault, const std::string& why, Errc code) const {
  throw SourceError(code, fault, uri_.shown + ": " + why);
}

void FfmpegSource::open_input() {
  AVFormatContext* raw = avformat_alloc_context();
  if (raw == nullptr) fail(Errc::kOutOfMemory, uri_.shown, ": no memory for FFmpeg's context");
  raw->interrupt_callback = {&FfmpegSource::interrupted, this};
  AVDictionary* settings = nullptr;
  const AVInputFormat* kind = nullptr;
  if (uri_.kind == SourceKind::kRtsp) {
    const auto micros = std::chrono::microseconds(options_.open_timeout).count();
    av_dict_set(&settings, "rtsp_transport", "tcp", 0);
    av_dict_set_int(&settings, "timeout", micros, 0);  // FFmpeg 5 and later; was `stimeout`
    // The session description names the codec: half a second of packets is enough for the rest.
    raw->max_analyze_duration = AV_TIME_BASE / 2;
    raw->flags |= AVFMT_FLAG_NOBUFFER;
  } else if (uri_.kind == SourceKind::kV4l2) {
    kind = av_find_input_format("video4linux2");
    if (kind == nullptr) {
      avformat_free_context(raw);
      fail(Errc::kUnavailable, uri_.shown, ": this FFmpeg cannot read V4L2 cameras");
    }
  }
  // A local path, never another protocol that its name happens to look like.
  const std::string target = uri_.kind == SourceKind::kFile ? "file:" + uri_.target : uri_.target;
  const int error = avformat_open_input(&raw, target.c_str(), kind, &settings);  // frees raw
  av_dict_free(&settings);
  if (error < 0) {
    give_up(SourceFault::kOpen, late() ? "no answer in time" : text_of(error),
            error == AVERROR_INVALIDDATA ? Errc::kData : Errc::kIo);
  }
  format_.reset(raw);
  const int found = avformat_find_stream_info(raw, nullptr);
  if (found < 0) give_up(SourceFault::kOpen, late() ? "no video in time" : text_of(found));
}

void FfmpegSource::open_decoder() {
  const AVCodec* decoder = nullptr;
  stream_ = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
  if (stream_ < 0) give_up(SourceFault::kOpen, "no video that FFmpeg can decode", Errc::kData);
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    if (static_cast<int>(i) != stream_) format_->streams[i]->discard = AVDISCARD_ALL;
  }
  codec_.reset(avcodec_alloc_context3(decoder));
  if (!codec_ || !decoded_ || !packet_) fail(Errc::kOutOfMemory, uri_.shown, ": no memory");
  avcodec_parameters_to_context(codec_.get(), format_->streams[stream_]->codecpar);
  codec_->thread_count = 1;  // the compute threads are the networks'
  const int error = avcodec_open2(codec_.get(), decoder, nullptr);
  if (error < 0) give_up(SourceFault::kOpen, "decoder: " + text_of(error));
}

bool FfmpegSource::feed() {
  const int error = av_read_frame(format_.get(), packet_.get());
  if (stopped()) return false;
  if (error == AVERROR_EOF) {
    avcodec_send_packet(codec_.get(), nullptr);
    draining_ = true;
    return true;
  }
  // A file may be damaged in the middle: what cannot be read is skipped, unless nothing follows.
  constexpr int kMostUnreadable = 1000;
  unreadable_ = error == AVERROR_INVALIDDATA ? unreadable_ + 1 : 0;
  if (unreadable_ > 0 && unreadable_ < kMostUnreadable) {
    ++corrupt_;
    return true;
  }
  if (error < 0) {
    if (late()) give_up(SourceFault::kStall, "no picture in time");
    give_up(SourceFault::kRead, text_of(error));
  }
  if (packet_->stream_index == stream_) {
    const int sent = avcodec_send_packet(codec_.get(), packet_.get());
    if (sent < 0 && sent != AVERROR(EAGAIN)) ++corrupt_;
  }
  av_packet_unref(packet_.get());
  return true;
}

void FfmpegSource::convert(ImageU8& image) {
  const AVFrame& from = *decoded_;
  if (image.height != from.height || image.width != from.width) {
    image = ImageU8(from.height, from.width);
  }
  scaler_.reset(sws_getCachedContext(
      scaler_.release(), from.width, from.height, static_cast<AVPixelFormat>(from.format),
      from.width, from.height, AV_PIX_FMT_RGB24, SWS_BILINEAR, nullptr, nullptr, nullptr));
  if (!scaler_) give_up(SourceFault::kRead, "a pixel format that FFmpeg cannot convert");
  std::uint8_t* const rows[] = {image.pixels.data(), nullptr, nullptr, nullptr};
  const int strides[] = {ImageU8::kChannels * from.width, 0, 0, 0};
  sws_scale(scaler_.get(), from.data, from.linesize, 0, from.height, rows, strides);
}

bool FfmpegSource::next(Frame& frame) {
  deadline_ = Clock::now() + options_.stall_timeout;
  while (true) {
    const int error = avcodec_receive_frame(codec_.get(), decoded_.get());
    if (error == AVERROR_EOF) {
      if (uri_.live()) give_up(SourceFault::kEnd, "the stream has ended");
      return false;
    }
    if (error == 0) {
      const bool damaged =
          (decoded_->flags & AV_FRAME_FLAG_CORRUPT) != 0 || decoded_->decode_error_flags != 0;
      if (!damaged) break;
      ++corrupt_;
    } else if (error != AVERROR(EAGAIN)) {
      ++corrupt_;
    } else if (late()) {
      give_up(SourceFault::kStall, "packets, but no picture in time");
    } else if (!draining_ && !feed()) {
      return false;
    }
  }
  const std::int64_t ticks = decoded_->best_effort_timestamp;
  frame.pts = ticks == AV_NOPTS_VALUE ? frame.pts : static_cast<double>(ticks) * seconds_per_tick_;
  convert(frame.image);
  av_frame_unref(decoded_.get());
  return true;
}

}  // namespace
}  // namespace graft::video

extern "C" __attribute__((visibility("default"))) graft::video::FrameSource* graft_open_with_ffmpeg(
    const graft::video::SourceUri& uri, const graft::video::SourceOptions& options) {
  return new graft::video::FfmpegSource(uri, options);
}
