package main

import (
	"reflect"
	"testing"
)

func TestMerge(t *testing.T) {
	a := config{"name": "a", "linux": config{"resources": config{"cpu": 1}, "security": config{"user": 1}}}
	got := merge(a, config{"name": "b", "linux": config{"security": config{"group": 2}}})
	want := config{"name": "b", "linux": config{"resources": config{"cpu": 1}, "security": config{"user": 1, "group": 2}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("merged: %v, want %v", got, want)
	}
	if a["name"] != "a" || len(a["linux"].(config)["security"].(config)) != 1 {
		t.Errorf("the first was changed: %v", a)
	}
}

// Each feature has a function or a reason, with either manager and cgroup driver.
func TestCRIFeatures(t *testing.T) {
	for name, c := range map[string]*cri{
		"CRI": {manager: &criContainerd{}}, "CRI, systemd": {manager: &criContainerd{}, systemd: true},
		"CRI-O": {manager: &crio{}}, "CRI-O, systemd": {manager: &crio{}, systemd: true},
	} {
		i := clientIndex(name)
		if i < 0 {
			t.Errorf("no client is named %s", name)
		} else if gaps := clients[i].gaps(c.actions()); gaps != nil {
			t.Error(gaps)
		}
	}
}
