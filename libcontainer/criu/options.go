package criu

import "os"

// Options are those of a dump or a restore. What is zero is left to CRIU.
type Options struct {
	Images *os.File // directory of the images
	Work   *os.File // directory of the log and the statistics
	Log    string   // the log's name in Work
	Root   string   // the container's root file system
	PID    int      // the first process of those to dump

	ParentImages string // of an earlier pre-dump, relative to Images
	TrackMemory  bool   // for a later dump that this one is the parent of
	LeaveRunning bool
	LazyPages    bool
	StatusFD     *os.File // gets a byte once the server of lazy pages listens
	PageServer   *PageServer
	AutoDedup    bool
	LinkRemap    bool

	TCPEstablished  bool
	TCPSkipInFlight bool
	TCPClose        bool
	ExtUnixSockets  bool
	ShellJob        bool
	FileLocks       bool
	OrphanTerminal  bool // the master of the terminal is outside, and is handed over by an Event at restore
	EmptyNetwork    bool // the network is made anew by others

	Cgroups     CgroupMode
	CgroupRoots []CgroupRoot // for a restore
	Freezer     string       // cgroup to freeze while the processes are dumped

	// External are resources outside the container, TYPE[ID]:KEY for a dump; for a restore what stands for them, or Inherited.
	External  []string
	Inherited []Inherited

	LSMProfile      string
	LSMMountContext string
	ConfigFile      string
}

// PageServer is where the pages of a dump go in place of files.
type PageServer struct {
	Address string
	Port    int
}

// CgroupRoot says where the cgroups of a hierarchy are made.
type CgroupRoot struct {
	Controllers string // empty: all
	Path        string // below the hierarchy's mount
}

// Inherited is an open file that takes the place of one outside the container.
type Inherited struct {
	Key  string
	File *os.File
}

// CgroupMode says what a restore does to cgroups and their properties.
type CgroupMode int

// The modes, as CRIU numbers them.
const (
	CgroupsIgnored CgroupMode = 0
	CgroupsSoft    CgroupMode = 3 // properties of the cgroups that it makes itself
	CgroupsFull    CgroupMode = 4 // of all
	CgroupsStrict  CgroupMode = 5 // a cgroup that is there is an error
)

// The log says everything: it is read when something has failed.
const logLevel = 4

// files lists what the server inherits from descriptor 4 on; 3 is its socket.
func (o *Options) files() (all []*os.File) {
	for i := range o.Inherited {
		all = append(all, o.Inherited[i].File)
	}
	if o.StatusFD != nil {
		all = append(all, o.StatusFD)
	}
	return all
}

// firstFile is the number in the server of the first of files.
const firstFile = 4

// message encodes criu_opts. The descriptors of the directories are ours: the server opens them by /proc/PID/fd.
func (o *Options) message() (m message) {
	m.number(1, int(o.Images.Fd()))
	if o.PID != 0 {
		m.number(2, o.PID)
	}
	m.flag(3, o.LeaveRunning)
	m.flag(4, o.ExtUnixSockets)
	m.flag(5, o.TCPEstablished)
	m.flag(7, o.ShellJob)
	m.flag(8, o.FileLocks)
	m.number(9, logLevel)
	m.text(10, o.Log)
	if p := o.PageServer; p != nil {
		var sub message
		sub.text(1, p.Address)
		sub.number(2, p.Port)
		m.part(11, sub)
	}
	m.flag(12, true) // notifications
	m.text(13, o.Root)
	m.text(14, o.ParentImages)
	m.flag(15, o.TrackMemory)
	m.flag(16, o.AutoDedup)
	m.number(17, int(o.Work.Fd()))
	m.flag(18, o.LinkRemap)
	m.flag(24, o.Cgroups != CgroupsIgnored)
	for i := range o.CgroupRoots {
		var sub message
		sub.text(1, o.CgroupRoots[i].Controllers)
		sub.text(2, o.CgroupRoots[i].Path)
		m.part(25, sub)
	}
	m.flag(26, o.PID == 0) // what is restored becomes our child
	for i := range o.Inherited {
		var sub message
		sub.text(1, o.Inherited[i].Key)
		sub.number(2, firstFile+i)
		m.part(27, sub)
	}
	m.number(34, int(o.Cgroups))
	for _, e := range o.External {
		m.text(37, e)
	}
	if o.EmptyNetwork {
		m.number(38, cloneNewNet)
	}
	m.text(44, o.Freezer)
	m.flag(46, o.TCPSkipInFlight)
	m.flag(48, o.LazyPages)
	if o.StatusFD != nil {
		m.number(49, firstFile+len(o.Inherited))
	}
	m.flag(50, o.OrphanTerminal)
	m.text(51, o.ConfigFile)
	m.flag(52, o.TCPClose)
	m.text(53, o.LSMProfile)
	m.text(63, o.LSMMountContext)
	return m
}

// cloneNewNet is CLONE_NEWNET.
const cloneNewNet = 0x40000000
