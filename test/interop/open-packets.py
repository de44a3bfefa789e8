"""Opens IPsec packets with scapy: a JSON list of SAs with packets on stdin, the inner packets as hex on stdout."""
import json
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.ipsec import AH, ESP, SecurityAssociation  # noqa: E402


def open_all(sa):
    network = IPv6 if sa["ipv6"] else IP
    outer = network(src=sa["source"], dst=sa["destination"])
    association = SecurityAssociation(
        AH if sa["protocol"] == "ah" else ESP,
        spi=sa["spi"],
        crypt_algo=sa["cipher"],
        crypt_key=bytes.fromhex(sa["key"]) or None,
        auth_algo=sa["mac"],
        auth_key=bytes.fromhex(sa["macKey"]) or None,
        tunnel_header=outer if sa["tunnel"] else None,
        nat_t_header=UDP(sport=4500, dport=4500) if sa["udp"] else None,
        esn_en=sa["esn"],
        esn=0,
    )
    opened = []
    for packet in sa["packets"]:
        try:
            opened.append(bytes(association.decrypt(network(bytes.fromhex(packet)))).hex())
        except Exception as error:  # a refused packet is an answer
            opened.append(f"{type(error).__name__}: {error}")
    return opened


json.dump([open_all(sa) for sa in json.load(sys.stdin)], sys.stdout)
