package bundle

import "testing"

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":                "net/ipv4/ip_forward",
		"net/ipv4/ip_forward":                "net/ipv4/ip_forward",
		"net/ipv4/conf/eth0.100/forwarding":  "net/ipv4/conf/eth0.100/forwarding",
		"net.ipv4.conf.eth0/100.forwarding":  "net/ipv4/conf/eth0.100/forwarding",
		"net.ipv6.neigh.a/b/c.retrans_time":  "net/ipv6/neigh/a.b.c/retrans_time",
		"kernel.shmmax":                      "kernel/shmmax",
		"kernel/msg_next_id":                 "kernel/msg_next_id",
		"fs.mqueue.queues_max":               "fs/mqueue/queues_max",
		"kernel.domainname":                  "kernel/domainname",
		"user.max_net_namespaces":            "user/max_net_namespaces",
		"":                                   "",
		"net":                                "",
		"net.":                               "",
		".net.ipv4":                          "",
		"/net/ipv4":                          "",
		"net//ipv4":                          "",
		"net/./ipv4":                         "",
		"net/ipv4/..":                        "",
		"net/../kernel/core_pattern":         "",
		"net.ipv4/../kernel.core_pattern":    "",
		"net.ipv4.conf.eth0/../x.forwarding": "",
		"net.ipv4.conf.eth0/.x":              "",
		"net.ipv4.conf/eth0.forwarding.x":    "",
		"net.ipv4.ip/forward":                "",
		"netx.ipv4":                          "",
		"kernel.shmmaxx":                     "",
		"kernel.sem.x":                       "",
		"kernel.core_pattern":                "",
		"kernel.core.pattern":                "",
		"fs.mqueue":                          "",
		"fs.mqueue.":                         "",
		"fs.file-max":                        "",
		"vm.swappiness":                      "",
		"net.ipv4.a\nb":                      "",
		"net.ipv4.a\x00b":                    "",
		"net.ipv4.a b":                       "",
		"net.ipv4.ä":                         "",
	} {
		got, err := SysctlPath(key)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", key, got, err, want)
		}
	}
}
