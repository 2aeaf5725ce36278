package view

// AgentEvent is what `probe agent` says about one thing that has happened to it.
type AgentEvent struct {
	Listening bool `json:",omitempty"`

	// A connection has brought a state.
	Descriptors int           `json:",omitempty"`
	State       *ProcessState `json:",omitempty"`

	// A call of the container was answered.
	Call     string `json:",omitempty"` // of those that the agent emulates
	Pid      int    `json:",omitempty"`
	Path     string `json:",omitempty"`
	Emulated bool   `json:",omitempty"`

	Ended string `json:",omitempty"` // the id of the container whose last process under the filter has gone
	Error string `json:",omitempty"`
}

// ProcessState is the container process state of config-linux.md.
type ProcessState struct {
	Version  string   `json:"ociVersion"`
	Fds      []string `json:"fds"`
	Pid      int      `json:"pid"`
	Metadata string   `json:"metadata"`
	State    struct {
		Version     string            `json:"ociVersion"`
		ID          string            `json:"id"`
		Status      string            `json:"status"`
		Pid         int               `json:"pid"`
		Bundle      string            `json:"bundle"`
		Annotations map[string]string `json:"annotations"`
	} `json:"state"`
}
