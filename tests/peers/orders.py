"""A shopper at an edge, by grpcurl: from an empty cart to an order."""

import uuid

import lib

CART = "souk.cart.v1.CartService"
CHECKOUT = "souk.checkout.v1.CheckoutService"
PAYMENT = "souk.payment.v1.PaymentService"
# The simulated processor approves it.
CARD, CODE = "4242424242424242", "123"
EMAIL = "ada@example.org"
PLACE = {"countryCode": "US"}
# How long an order that is answered may still take to its capture, on a busy machine.
CAPTURED_SECONDS = 60


def request_id():
    return {"requestId": str(uuid.uuid4())}


def cart_with(edge, product_id, quantity=1):
    """The id of a new cart with this in it; nothing as long as carts do not know the product."""
    item = {"productId": product_id, "quantity": quantity}
    answer = lib.grpcurl(edge, f"{CART}/AddItem", data=item | request_id())
    return answer.only["cart"]["cartId"] if answer.code == "OK" else None


def wish(edge, cart_id):
    """What PlaceOrder is asked for a cart: quoted, and with a card of its own."""
    quoted = lib.grpcurl(edge, f"{CHECKOUT}/QuoteOrder", data={"cartId": cart_id, "destination": PLACE})
    quote = quoted.only["quote"]
    card = {"number": CARD, "securityCode": CODE, "expiryMonth": 12, "expiryYear": 2040}
    kept = lib.grpcurl(edge, f"{PAYMENT}/TokenizeCard", data={"card": card} | request_id())
    address = {"recipient": "Ada", "lines": ["1 Main St"], "locality": "Springfield", "destination": PLACE}
    return {
        "cartId": cart_id,
        "quoteId": quote["quoteId"],
        "expectedTotal": quote["amounts"]["total"],
        "cardToken": kept.only["cardToken"],
        "shippingAddress": address,
        "contactEmail": EMAIL,
    } | request_id()


def wished(edge, cart_id):
    """The same, or nothing while somebody who is needed for it is away."""
    try:
        return wish(edge, cart_id)
    except lib.Failure:
        return None


def place(edge, wanted, flags=()):
    """The answer to PlaceOrder. The same wish again is the same order."""
    return lib.grpcurl(edge, f"{CHECKOUT}/PlaceOrder", data=wanted, flags=flags)


def order(edge, order_id):
    return lib.grpcurl(edge, f"{CHECKOUT}/GetOrder", data={"orderId": order_id}).only["order"]


def captured(edge, order_id, seconds=CAPTURED_SECONDS):
    """The order, once its money is taken."""

    def look():
        found = order(edge, order_id)
        return found if found["state"] == "ORDER_STATE_CAPTURED" else None

    return lib.eventually("an order is captured", seconds, look, every=0.2)
