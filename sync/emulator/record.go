package emulator

import "time"

const (
	// fileDelay is how long after the end of a recording its file is made, for
	// the stream might come back.
	fileDelay = 180 * time.Second
	// maxFiles bounds what is remembered of finished recordings.
	maxFiles = 100_000
)

// The states of a recording.
const (
	recRunning     = "recording"
	recStopped     = "stopped"     // by stop; the file waits for the delay
	recInterrupted = "interrupted" // the stream went away; as stopped, but stop was not called
)

// recording is a task that was started, until its file is made.
type recording struct {
	state  string
	since  time.Time // begin of the file being written
	ended  time.Time
	fileAt time.Time
}

// task returns the recording of a stream, after a file whose time has come was
// made, or nil.
func (h *held) task(ref streamRef, wall time.Time) *recording {
	r := h.recordings[ref]
	if r == nil || r.state == recRunning || wall.Before(r.fileAt) {
		return r
	}
	h.file(ref, r, "delay")
	return nil
}

// file makes the file of a recording and ends the task.
func (h *held) file(ref streamRef, r *recording, cause string) {
	delete(h.recordings, ref)
	h.addFiles(File{
		Domain: ref.main, App: ref.app, Stream: ref.stream, Begin: r.since.UTC(), End: r.ended.UTC(), Cause: cause,
	})
}

func (h *held) addFiles(files ...File) {
	h.files = append(h.files, files...)
	if extra := len(h.files) - maxFiles; extra > 0 {
		h.files = append([]File(nil), h.files[extra:]...)
	}
}

// end lets a running recording end in the state given; its file comes after
// the delay.
func (r *recording) end(state string, wall time.Time) {
	r.state, r.ended, r.fileAt = state, wall, wall.Add(fileDelay)
}

// interrupt ends the recording of a stream that went away. It does not begin
// again when the stream comes back.
func (h *held) interrupt(ref streamRef, wall time.Time) {
	if r := h.task(ref, wall); r != nil && r.state == recRunning {
		r.end(recInterrupted, wall)
	}
}

// recordCommand is RealTimeRecordCommand.
func recordCommand(h *held, c *apiCall) (any, *failure) {
	if f := lacks("MissingParam", c, "Command", "DomainName", "AppName", "StreamName"); f != nil {
		return nil, f
	}
	main, f := h.find(c, "DomainName", typeMain)
	if f != nil {
		return nil, f
	}
	if has := h.domains[main].RecordConfig; has != nil && !*has {
		return nil, aliyunFailure("CodeConfigNotFound", "no record configuration matches")
	}
	ref := streamRef{main, streamKey{c.param("AppName"), c.param("StreamName")}}
	wall := c.now().wall
	_, live := h.live(main, ref.streamKey, c.now())
	switch c.param("Command") {
	case "start":
		return h.start(ref, live, wall)
	case "stop":
		return h.stop(ref, live, wall)
	case "cancel_delay":
		return h.cancelDelay(ref, live, wall)
	case "restart":
		return h.restart(ref, live, wall)
	}
	return nil, aliyunFailure("MalformedParam", "Command is start, stop, cancel_delay or restart")
}

// outOfOrder answers a command that may not come now. No page has a code for
// it: without the stream it is the stream that is missing, else the command is
// wrong.
func outOfOrder(live bool, rule string) *failure {
	if !live {
		return aliyunFailure("StreamNotFound", "the stream is not live")
	}
	return aliyunFailure("MalformedParam", rule)
}

// start begins a recording, or goes on with one whose file is not made yet.
func (h *held) start(ref streamRef, live bool, wall time.Time) (any, *failure) {
	r := h.task(ref, wall)
	switch {
	case !live:
		return nil, aliyunFailure("StreamNotFound", "the stream is not live")
	case r != nil && r.state == recRunning:
		return nil, aliyunFailure("TaskAlreadyStarted", "the stream is being recorded")
	case r == nil:
		r = &recording{since: wall}
		h.recordings[ref] = r
	}
	r.state, r.ended, r.fileAt = recRunning, time.Time{}, time.Time{}
	return &reply{}, nil
}

func (h *held) stop(ref streamRef, live bool, wall time.Time) (any, *failure) {
	r := h.task(ref, wall)
	if r == nil || r.state != recRunning {
		return nil, outOfOrder(live, "stop comes after start or restart")
	}
	r.end(recStopped, wall)
	return &reply{}, nil
}

func (h *held) cancelDelay(ref streamRef, live bool, wall time.Time) (any, *failure) {
	r := h.task(ref, wall)
	if r == nil || r.state != recStopped {
		return nil, outOfOrder(live, "cancel_delay comes after stop")
	}
	h.file(ref, r, "cancel_delay")
	return &reply{}, nil
}

// restart makes the file at once and begins the next.
func (h *held) restart(ref streamRef, live bool, wall time.Time) (any, *failure) {
	r := h.task(ref, wall)
	if !live || r == nil || r.state == recInterrupted {
		return nil, outOfOrder(live, "restart comes after start or stop")
	}
	if r.state == recRunning {
		r.ended = wall
	}
	h.file(ref, r, "restart")
	h.recordings[ref] = &recording{state: recRunning, since: wall}
	return &reply{}, nil
}
