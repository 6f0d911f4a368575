package carriersim

import "time"

// The manners a parcel can have.
const (
	Prompt              = "prompt"                // label, in transit, out for delivery, delivered
	LabelOnly           = "label_only"            // a label that is never scanned
	Lost                = "lost"                  // in transit, then nothing
	DeclaredLost        = "declared_lost"         // in transit, then the carrier says that it has lost it
	Delayed             = "delayed"               // a weather delay on the way, delivered in the end
	ReturnsToSender     = "returns_to_sender"     // cannot be delivered and goes back
	Duplicates          = "duplicates"            // prompt, every event told three times
	OutOfOrder          = "out_of_order"          // prompt, the last event told first
	DeliveredThenReturn = "delivered_then_return" // delivered, then returned to the sender
)

// aliases are other names of the same manner.
var aliases = map[string]string{"delivered_then_returned": DeliveredThenReturn, "": Prompt}

// scan is one step of a script. after counts in the carrier's own time, from the label on: a whole
// journey is told within milliseconds and yet looks like days.
type scan struct {
	status, detail, message string
	after                   time.Duration
}

var (
	label     = scan{"pre_transit", "label_created", "Shipping label created", 0}
	pickedUp  = scan{"in_transit", "received_at_origin_facility", "Picked up", 2 * time.Hour}
	departed  = scan{"in_transit", "departed_facility", "Departed facility", 8 * time.Hour}
	onTheVan  = scan{"out_for_delivery", "out_for_delivery", "Out for delivery", 26 * time.Hour}
	delivered = scan{"delivered", "arrived_at_destination", "Delivered", 30 * time.Hour}
)

var scripts = map[string][]scan{
	Prompt:       {label, pickedUp, departed, onTheVan, delivered},
	LabelOnly:    {label},
	Lost:         {label, pickedUp, departed},
	DeclaredLost: {label, pickedUp, departed, {"failure", "lost", "Lost", 30 * time.Hour}},
	Duplicates:   {label, pickedUp, departed, onTheVan, delivered},
	OutOfOrder:   {label, pickedUp, departed, onTheVan, delivered},
	Delayed: {
		label, pickedUp,
		{"in_transit", "weather_delay", "Severe weather", 9 * time.Hour},
		{"out_for_delivery", "out_for_delivery", "Out for delivery", 98 * time.Hour},
		{"delivered", "arrived_at_destination", "Delivered", 102 * time.Hour},
	},
	ReturnsToSender: {
		label, pickedUp, departed,
		{"failure", "delivery_exception", "Addressee unknown", 30 * time.Hour},
		{"return_to_sender", "return", "Returned to sender", 50 * time.Hour},
	},
	DeliveredThenReturn: {
		label, pickedUp, departed, onTheVan, delivered,
		{"return_to_sender", "return", "Returned to sender", 78 * time.Hour},
	},
}
