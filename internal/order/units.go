package order

// UnitState is where units of a line stand.
type UnitState string

// The states of a unit on a purchase-order line. Labelled units have a ship notice but no carrier
// scan; cancel-requested units have been asked back and still belong to the supplier until it
// answers. The last three have left the purchase order for good.
const (
	Pending         UnitState = "pending"
	Accepted        UnitState = "accepted"
	Backordered     UnitState = "backordered"
	OnHold          UnitState = "on_hold"
	CancelRequested UnitState = "cancel_requested"
	Labelled        UnitState = "labelled"
	Shipped         UnitState = "shipped"
	Delivered       UnitState = "delivered"
	Returned        UnitState = "returned"
	Lost            UnitState = "lost"
	Cancelled       UnitState = "cancelled"
	Rejected        UnitState = "rejected"
	Rerouted        UnitState = "rerouted"
)

// Units counts the units of one purchase-order line by state. Moving units never changes their sum.
type Units struct {
	Pending         int64 `json:"pending,omitempty"`
	Accepted        int64 `json:"accepted,omitempty"`
	Backordered     int64 `json:"backordered,omitempty"`
	OnHold          int64 `json:"onHold,omitempty"`
	CancelRequested int64 `json:"cancelRequested,omitempty"`
	Labelled        int64 `json:"labelled,omitempty"`
	Shipped         int64 `json:"shipped,omitempty"`
	Delivered       int64 `json:"delivered,omitempty"`
	Returned        int64 `json:"returned,omitempty"`
	Lost            int64 `json:"lost,omitempty"`
	Cancelled       int64 `json:"cancelled,omitempty"`
	Rejected        int64 `json:"rejected,omitempty"`
	Rerouted        int64 `json:"rerouted,omitempty"`
}

// Sum is every unit, wherever it stands.
func (u *Units) Sum() int64 {
	return u.Live() + u.Cancelled + u.Rejected + u.Rerouted
}

// Live is the units that the purchase order still answers for.
func (u *Units) Live() int64 {
	return u.open() + u.Shipped + u.Delivered + u.Returned + u.Lost
}

// Terminal is the live units about which nothing more is expected.
func (u *Units) Terminal() int64 { return u.Delivered + u.Returned + u.Lost }

// open is the units that no carrier has scanned.
func (u *Units) open() int64 {
	return u.Pending + u.Accepted + u.Backordered + u.OnHold + u.CancelRequested + u.Labelled
}

// of points at the count of one state. An unknown state is a programming error and panics, which
// blocks the workflow task until the fix is deployed instead of losing units.
func (u *Units) of(s UnitState) *int64 {
	switch s {
	case Pending:
		return &u.Pending
	case Accepted:
		return &u.Accepted
	case Backordered:
		return &u.Backordered
	case OnHold:
		return &u.OnHold
	case CancelRequested:
		return &u.CancelRequested
	case Labelled:
		return &u.Labelled
	case Shipped:
		return &u.Shipped
	case Delivered:
		return &u.Delivered
	case Returned:
		return &u.Returned
	case Lost:
		return &u.Lost
	case Cancelled:
		return &u.Cancelled
	case Rejected:
		return &u.Rejected
	case Rerouted:
		return &u.Rerouted
	}
	panic("order: no such unit state: " + string(s))
}

// move takes up to n units from one state to another and says how many it moved.
func (u *Units) move(from, to UnitState, n int64) int64 {
	source := u.of(from)
	n = min(n, *source)
	if n <= 0 {
		return 0
	}
	*source -= n
	*u.of(to) += n
	return n
}

// draw moves up to n units to one state, from the given states in their order.
func (u *Units) draw(to UnitState, n int64, from ...UnitState) int64 {
	var moved int64
	for _, state := range from {
		moved += u.move(state, to, n-moved)
	}
	return moved
}
