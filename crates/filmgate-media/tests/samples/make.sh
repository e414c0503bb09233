#!/bin/sh
# Makes the sample videos and `ffprobe.txt` anew. Needs ffmpeg with libx264, libx265, libvpx and an AV1 encoder.
# The files are checked in, so the tests need no ffmpeg; run this only to add a sample.
set -eu
cd "$(dirname "$0")"
make() { nice ffmpeg -v error -y -bitexact "$@"; }
bars() { echo "-f lavfi -i smptebars=size=$1:rate=$2:duration=$3"; }
red() { echo "-f lavfi -i color=red:size=$1:rate=25:duration=0.2 -vf scale=out_color_matrix=$2:out_range=$3"; }
tone() { echo "-f lavfi -i sine=frequency=440:sample_rate=16000:duration=$1"; }
h264="-c:v libx264 -crf 45 -preset veryslow -pix_fmt yuv420p"
aac="-c:a aac -b:a 12k"

make $(bars 1280x720 24 2) $(tone 2) $h264 $aac -movflags +faststart h264_720p_faststart.mp4
make $(bars 752x416 24 6) $h264 h264_480p_moov_at_end.mp4
make $(bars 1920x1080 30 1) $h264 h264_1080p_cropped.mp4
make $(bars 1080x1920 30 1) $h264 -movflags +faststart h264_portrait.mp4
make $(bars 130x98 25 1) $h264 -profile:v high422 -pix_fmt yuv422p h264_422.mp4
make $(bars 130x98 25 1) $h264 -profile:v high444 -pix_fmt yuv444p h264_444.mp4
make $(bars 720x484 25 1) $h264 -flags +ildct+ilme -x264-params tff=1 h264_interlaced.mp4
make $(bars 640x360 24 3) $(tone 3) $h264 -g 24 $aac -movflags +frag_keyframe+empty_moov+default_base_moof h264_fragmented.mp4
make $(bars 640x360 24 3) $(tone 3) $h264 -g 24 $aac -movflags +frag_keyframe+empty_moov+omit_tfhd_offset h264_fragmented_relative.mp4
make $(bars 640x360 24 3) $h264 -g 24 -movflags +frag_keyframe h264_fragmented_absolute.mp4
make -i h264_480p_moov_at_end.mp4 -c copy -metadata:s:v:0 rotate=90 -t 2 h264_rotated_90.mp4
make -i h264_480p_moov_at_end.mp4 -c copy -metadata:s:v:0 rotate=180 -t 2 h264_rotated_180.mp4
make $(bars 320x192 24 1) $h264 -x264-params slices=5 h264_slices.mp4
make $(red 128x96 bt709 limited) $h264 -colorspace bt709 -color_range tv h264_red_bt709.mp4
make $(red 128x96 bt601 full) $h264 -colorspace smpte170m -color_range pc h264_red_bt601_full.mp4
make $(bars 1920x1080 24 1) -c:v libx265 -crf 45 -x265-params log-level=error:info=0 -tag:v hvc1 hevc_1080p.mp4
make $(bars 130x98 24 1) -c:v libx265 -crf 45 -pix_fmt yuv420p10le -x265-params log-level=error:info=0 -tag:v hev1 hevc_cropped.mp4
make $(bars 320x180 24 1) -c:v libx265 -crf 45 -x265-params log-level=error:info=0:temporal-layers=1 -tag:v hvc1 \
    hevc_layers.mp4
make $(bars 854x480 24 1) -c:v libaom-av1 -crf 60 -cpu-used 8 -b:v 0 av1_480p.mp4
make $(bars 854x480 24 1) -c:v libvpx-vp9 -crf 60 -b:v 0 vp9_480p.mp4
make $(bars 320x240 24 1) -c:v mpeg4 -q:v 31 mpeg4_part2.mp4
make $(bars 320x240 24 1) $h264 -f mov quicktime.mov
make $(tone 1) $aac sound_only.m4a
make $(bars 64x64 24 1) -c:v libvpx-vp9 -crf 60 -b:v 0 webm.webm

for file in *.mp4 *.mov; do
    echo "$file $(ffprobe -v error -count_frames -select_streams v:0 -of json \
        -show_entries stream=codec_name,width,height,duration,nb_read_frames:stream_side_data=rotation "$file" | tr -d ' \n')"
done >ffprobe.txt

# The first picture of each H.264 video, shrunk to 8x8 pixels of red, green and blue. Where a video does not say
# which colours it means, players guess: BT.709 for larger pictures.
for file in h264_*.mp4 quicktime.mov; do
    case $file in
    *_422* | *_444* | *_interlaced*) continue ;;
    *_720p* | *_1080p* | *_portrait*) matrix=bt709 ;;
    *) matrix=auto ;;
    esac
    pixels=$(ffmpeg -v error -i "$file" -frames:v 1 \
        -vf "scale=in_color_matrix=$matrix:flags=accurate_rnd+full_chroma_int,format=rgb24,scale=8:8:flags=area" \
        -f rawvideo -pix_fmt rgb24 - | od -An -v -tx1 | tr -d ' \n')
    echo "$file $pixels"
done >posters.txt
