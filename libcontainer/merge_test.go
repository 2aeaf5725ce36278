package libcontainer

import (
	"encoding/json"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func resourcesFrom(t *testing.T, text string) *specs.LinuxResources {
	t.Helper()
	var res specs.LinuxResources
	if err := json.Unmarshal([]byte(text), &res); err != nil {
		t.Fatal(err)
	}
	return &res
}

func TestMerge(t *testing.T) {
	for name, tt := range map[string]struct{ into, from, want string }{
		"nothing":          {`{"pids":{"limit":5}}`, `{}`, `{"pids":{"limit":5}}`},
		"into nothing":     {`{}`, `{"pids":{"limit":5}}`, `{"pids":{"limit":5}}`},
		"zero is no limit": {`{"memory":{"limit":5,"swap":6,"reservation":4}}`, `{"memory":{"limit":0,"swap":0,"reservation":0}}`, `{"memory":{"limit":5,"reservation":4,"swap":6}}`},
		"zero pids":        {`{"pids":{"limit":5}}`, `{"pids":{"limit":0}}`, `{"pids":{"limit":0}}`},
		"unset pids":       {`{"pids":{"limit":5}}`, `{"pids":{}}`, `{"pids":{"limit":5}}`},
		"memory":           {`{"memory":{"limit":5}}`, `{"memory":{"limit":7,"reservation":2,"checkBeforeUpdate":true}}`, `{"memory":{"limit":7,"reservation":2,"checkBeforeUpdate":true}}`},
		"limit over sum":   {`{"memory":{"limit":5,"swap":6}}`, `{"memory":{"limit":7}}`, `{"memory":{"limit":7}}`},
		"limit below sum":  {`{"memory":{"limit":5,"swap":9}}`, `{"memory":{"limit":7}}`, `{"memory":{"limit":7,"swap":9}}`},
		"sum over limit":   {`{"memory":{"limit":5,"swap":9}}`, `{"memory":{"swap":4}}`, `{"memory":{"limit":5,"swap":4}}`},
		"unlimited sum":    {`{"memory":{"limit":5,"swap":-1}}`, `{"memory":{"limit":7}}`, `{"memory":{"limit":7,"swap":-1}}`},
		"cpu": {
			`{"cpu":{"shares":1,"quota":2,"period":3,"cpus":"0"}}`, `{"cpu":{"shares":0,"quota":-1,"burst":0,"idle":0,"mems":"1"}}`,
			`{"cpu":{"shares":1,"quota":-1,"burst":0,"period":3,"cpus":"0","mems":"1","idle":0}}`,
		},
		"real time": {`{"cpu":{"realtimeRuntime":1}}`, `{"cpu":{"realtimeRuntime":0,"realtimePeriod":9,"cpus":"1"}}`, `{"cpu":{"realtimeRuntime":1,"realtimePeriod":9,"cpus":"1"}}`},
		"devices":   {`{"devices":[{"allow":true}]}`, `{"devices":[{"allow":false},{"allow":true,"type":"c"}]}`, `{"devices":[{"allow":false},{"allow":true,"type":"c"}]}`},
		"block io": {
			`{"blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1},{"major":8,"minor":1,"rate":2}]}}`,
			`{"blockIO":{"weight":0,"leafWeight":20,"throttleReadBpsDevice":[{"major":8,"minor":1,"rate":3},{"major":9,"minor":0,"rate":4}]}}`,
			`{"blockIO":{"weight":10,"leafWeight":20,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1},{"major":8,"minor":1,"rate":3},{"major":9,"minor":0,"rate":4}]}}`,
		},
		"other throttles": {
			`{"blockIO":{}}`,
			`{"blockIO":{"weightDevice":[{"major":1,"minor":2,"weight":30}],"throttleWriteBpsDevice":[{"major":1,"minor":2,"rate":3}],"throttleReadIOPSDevice":[{"major":1,"minor":2,"rate":4}],"throttleWriteIOPSDevice":[{"major":1,"minor":2,"rate":5}]}}`,
			`{"blockIO":{"weightDevice":[{"major":1,"minor":2,"weight":30}],"throttleWriteBpsDevice":[{"major":1,"minor":2,"rate":3}],"throttleReadIOPSDevice":[{"major":1,"minor":2,"rate":4}],"throttleWriteIOPSDevice":[{"major":1,"minor":2,"rate":5}]}}`,
		},
		"huge pages": {
			`{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"1GB","limit":2}]}`, `{"hugepageLimits":[{"pageSize":"1GB","limit":3}]}`,
			`{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"1GB","limit":3}]}`,
		},
		"network": {
			`{"network":{"classID":1,"priorities":[{"name":"a","priority":1}]}}`, `{"network":{"priorities":[{"name":"a","priority":2},{"name":"b","priority":3}]}}`,
			`{"network":{"classID":1,"priorities":[{"name":"a","priority":2},{"name":"b","priority":3}]}}`,
		},
		"rdma":    {`{"rdma":{"a":{"hcaHandles":1}}}`, `{"rdma":{"b":{"hcaObjects":2}}}`, `{"rdma":{"a":{"hcaHandles":1},"b":{"hcaObjects":2}}}`},
		"unified": {`{"unified":{"memory.high":"1","pids.max":"2"}}`, `{"unified":{"pids.max":"3"}}`, `{"unified":{"memory.high":"1","pids.max":"3"}}`},
	} {
		into := resourcesFrom(t, tt.into)
		merge(into, resourcesFrom(t, tt.from))
		if got, err := json.Marshal(into); err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tt.want)
		}
	}
}

// What is asked for is not changed: the caller's error messages are about it.
func TestComplete(t *testing.T) {
	for name, tt := range map[string]struct{ held, res, want string }{
		"no memory":         {`{"memory":{"checkBeforeUpdate":true}}`, `{"pids":{"limit":1}}`, `{"pids":{"limit":1}}`},
		"lifted":            {`{}`, `{"memory":{"limit":-1}}`, `{"memory":{"limit":-1,"swap":-1}}`},
		"lifted, zero swap": {`{}`, `{"memory":{"limit":-1,"swap":0}}`, `{"memory":{"limit":-1,"swap":-1}}`},
		"lifted, with swap": {`{}`, `{"memory":{"limit":-1,"swap":5}}`, `{"memory":{"limit":-1,"swap":5}}`},
		"idle":              {`{"cpu":{"shares":5}}`, `{"cpu":{"idle":1}}`, `{"cpu":{"idle":1}}`},
		"not idle":          {`{"cpu":{"shares":5,"idle":0}}`, `{"cpu":{"idle":0}}`, `{"cpu":{"idle":0}}`},
		"idle no more":      {`{"cpu":{"shares":5,"idle":1}}`, `{"cpu":{"idle":0}}`, `{"cpu":{"shares":5,"idle":0}}`},
		"with other shares": {`{"cpu":{"shares":5,"idle":1}}`, `{"cpu":{"shares":6,"idle":0}}`, `{"cpu":{"shares":6,"idle":0}}`},
		"checked":           {`{"memory":{"checkBeforeUpdate":true}}`, `{"memory":{"limit":5}}`, `{"memory":{"limit":5,"checkBeforeUpdate":true}}`},
		"not checked":       {`{"memory":{"checkBeforeUpdate":true}}`, `{"memory":{"limit":5,"checkBeforeUpdate":false}}`, `{"memory":{"limit":5,"checkBeforeUpdate":false}}`},
	} {
		res := resourcesFrom(t, tt.res)
		got, err := json.Marshal(complete(res, resourcesFrom(t, tt.held)))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tt.want)
		}
		if after, err := json.Marshal(res); err != nil || string(after) != tt.res {
			t.Errorf("%s: %s became %s", name, tt.res, after)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ held, res, wrong string }{
		{`{"memory":{"limit":5}}`, `{"memory":{"swap":6}}`, ""},
		{`{"memory":{"limit":5}}`, `{"memory":{"swap":4}}`, "/memory/swap: "},
		{`{}`, `{"memory":{"swap":4}}`, ""}, // the cgroup knows better
		{`{"memory":{"limit":-1}}`, `{"memory":{"swap":4}}`, ""},
		{
			`{"hugepageLimits":[{"pageSize":"2MB","limit":1}]}`, `{"hugepageLimits":[{"pageSize":"2XB","limit":1}]}`,
			"/hugepageLimits/0/pageSize: ",
		},
	} {
		err := check(resourcesFrom(t, tt.res), resourcesFrom(t, tt.held))
		if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%s to %s: %v, want %q", tt.res, tt.held, err, tt.wrong)
		}
	}
}

// Limits of kernel memory are dropped with a warning.
func TestWithoutKernelMemory(t *testing.T) {
	for text, want := range map[string]string{
		`{"memory":{"limit":5,"kernel":6,"kernelTCP":7}}`: `{"memory":{"limit":5}}`,
		`{"memory":{"kernelTCP":0}}`:                      `{"memory":{}}`,
		`{"memory":{"limit":5}}`:                          `{"memory":{"limit":5}}`,
		`{"pids":{"limit":5}}`:                            `{"pids":{"limit":5}}`,
	} {
		warned := false
		res := resourcesFrom(t, text)
		got, err := json.Marshal(withoutKernelMemory(res, func(string) { warned = true }))
		if err != nil || string(got) != want || warned != (want != text) {
			t.Errorf("%s: %s, %v, want %s; warned: %t", text, got, err, want, warned)
		}
		if after, err := json.Marshal(res); err != nil || string(after) != text {
			t.Errorf("%s became %s", text, after)
		}
	}
}
