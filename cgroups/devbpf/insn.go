package devbpf

import (
	"golang.org/x/sys/unix"

	"tare/internal/sys"
)

// The instructions of a device program, as the kernel's Documentation/bpf/standardization/instruction-set.rst has them.
// Those of 32 bits zero the upper half of the register; those of 64 extend the sign of their value.

// load32 is dst = *(u32 *)(src + off).
func load32(dst, src uint8, off int16) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W, Regs: sys.BPFRegs(dst, src), Off: off}
}

// move32 is dst = src.
func move32(dst, src uint8) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X, Regs: sys.BPFRegs(dst, src)}
}

// move64 is dst = src.
func move64(dst, src uint8) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X, Regs: sys.BPFRegs(dst, src)}
}

// set32 is dst = value.
func set32(dst uint8, value int32) sys.BPFInsn {
	return alu32(unix.BPF_MOV, dst, value)
}

// alu32 is dst = dst op value, in 32 bits.
func alu32(op, dst uint8, value int32) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_ALU | op | unix.BPF_K, Regs: sys.BPFRegs(dst, 0), Imm: value}
}

// alu64 is dst = dst op value.
func alu64(op, dst uint8, value int32) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_ALU64 | op | unix.BPF_K, Regs: sys.BPFRegs(dst, 0), Imm: value}
}

// or64Reg is dst |= src.
func or64Reg(dst, src uint8) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_ALU64 | unix.BPF_OR | unix.BPF_X, Regs: sys.BPFRegs(dst, src)}
}

// and64Reg is dst &= src.
func and64Reg(dst, src uint8) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_X, Regs: sys.BPFRegs(dst, src)}
}

// jump32 jumps if reg and value compare as op says, in 32 bits (Linux 5.1). The caller sets Off: the number of
// instructions to leave out.
func jump32(op, reg uint8, value int32) sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_JMP32 | op | unix.BPF_K, Regs: sys.BPFRegs(reg, 0), Imm: value}
}

// exit ends the program with the verdict in r0.
func exit() sys.BPFInsn {
	return sys.BPFInsn{Code: unix.BPF_JMP | unix.BPF_EXIT}
}
