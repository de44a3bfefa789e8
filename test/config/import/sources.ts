/** Texts to import: one of each form, with something of everything. */

export const LEGACY: string = String.raw`rem The head office, of Windows 2003
netsh ipsec static add policy name="Head Office" mmpfs=no qmpermm=100 mmlifetime=480 mmsecmethods="3DES-SHA1-3 3DES-MD5-2"
netsh ipsec static add filterlist name=peers
netsh ipsec static add filter filterlist=peers srcaddr=Me dstaddr=192.0.2.9 protocol=TCP dstport=445 mirrored=yes
netsh ipsec static add filter filterlist=peers srca=Me dsta=192.0.2.9 prot=UDP srcport=0 dstport=1701
netsh ipsec static add filterlist name=icmp
netsh ipsec static add filter filterlist=icmp srcaddr=Me dstaddr=192.0.2.9 protocol=ICMP
netsh ipsec static add filteraction name=Secure qmpfs=yes inpass=yes soft=y action=negotiate ^
  qmsec="ESP[3DES,SHA1]:100000k/3600s ESP[3DES,MD5] ESP[DES,None] AH[SHA1]"
netsh ipsec static add filteraction name=Let action=permit
netsh ipsec static add filteraction name=Both action=negotiate qmsecmethods="AH[SHA1]+ESP[None,SHA1]:50000k/900s"
netsh ipsec static add rule name=ping policy="Head Office" filterlist=icmp filteraction=Let
netsh ipsec static add rule name=smb policy="head office" filterlist=Peers filteraction=Secure kerberos=yes psk="hunter 2 \x{}" colour=blue
netsh ipsec static add filterlist name=out
netsh ipsec static add filter filterlist=out srcaddr=10.1.0.0 srcmask=255.255.255.0 dstaddr=10.2.0.0 dstmask=24 mirrored=no
netsh ipsec static add filterlist name=in
netsh ipsec static add filter filterlist=in srcaddr=10.2.0.0 srcmask=24 dstaddr=10.1.0.0 dstmask=24 mirrored=no
netsh ipsec static add rule name=vpn policy="Head Office" filterlist=out filteraction=Both tunnel=198.51.100.2 psk=abc
netsh ipsec static add rule name=vpnback policy="Head Office" filterlist=in filteraction=Both tunnel=198.51.100.1 psk=abc
netsh ipsec static add rule name=domain policy="Head Office" filterlist=peers filteraction=Secure kerberos=yes
netsh ipsec static set store location=local
netsh ipsec dynamic set config property=ikelogging value=1
netsh ipsec static set policy name="Head Office" assign=y
`;

export const MODERN = `netsh advfirewall set global mainmode mmsecmethods dhgroup14:aes256-sha256,ecdhp256:aes128-sha1,dhgroup24:aes128-sha1
netsh advfirewall set global mainmode mmkeylifetime 60min,10sess
pushd advfirewall consec
add rule name="Server 1" endpoint1=any endpoint2=203.0.113.7 action=requireinrequireout auth1=computerpsk auth1psk="#a secret" protocol=tcp port2=1433 qmsecmethods=esp:sha256-aes256+60min+100000kb,ah:sha1+esp:sha1-3des,authnoencap:sha1 qmpfs=mainmode
popd
netsh advfirewall consec add rule name=branch endpoint1=10.1.0.0/24 endpoint2=10.2.0.0/24,10.3.0.0/24 mode=tunnel localtunnelendpoint=198.51.100.1 remotetunnelendpoint=198.51.100.2 action=requireinrequestout auth1=computerkerb,computerpsk auth1psk=abc auth2=userkerb profile=domain
netsh advfirewall consec add rule name=dhcp endpoint1=any endpoint2=10.0.0.1 action=noauthentication protocol=udp
netsh advfirewall consec add rule name=kerb endpoint1=any endpoint2=any action=requestinrequestout auth1=computerkerb
netsh advfirewall firewall add rule name=web dir=in action=allow
netsh advfirewall mainmode add rule name=mm endpoint1=any endpoint2=203.0.113.7 mmsecmethods=ecdhp384:aes256-sha384 auth1=computerpsk
`;

export const IPSEC_CONF = `config setup
	uniqueids=no
	charondebug="ike 2"
conn %default
	ikelifetime=60m
	keylife=20m
	margintime=3m
	keyingtries=1
include conns/*.conf
conn net-net
	also=base
	right=192.0.2.2
	rightid=@sun.example
	leftsubnet=10.1.0.0/16
	rightsubnets={10.2.0.0/16 10.3.0.0/16}
	keyexchange=ikev2
	ike=aes256-sha256-modp2048!
	esp=aes_gcm256,aes128-sha1;dh14
	leftfirewall=yes
	rightsourceip=%config
	dpdaction=restart
	dpddelay=30s
	lefsubnet=1
	auto=start
conn shunt
	left=192.0.2.1
	right=192.0.2.3
	type=passthrough
	leftsubnet=10.1.0.0/16
	rightsubnet=10.1.9.0/24
	authby=never
	auto=route
conn legacy
	also=base
	right=%any
	ikev2=no
	type=transport
	leftprotoport=17/1701
	rightprotoport=17/%any
	phase2alg=3des-sha1
	ike=3des-sha1;dh2
	pfs=yes
	rekey=no
	salifetime=8h
	auto=add
`;

export const BASE_CONF = `conn base
	left=192.0.2.1
	leftid=@moon.example # ours
	authby=secret
	mobike=no
`;

export const IPSEC_SECRETS = `# both
@moon.example @sun.example : PSK "correct horse # battery {staple}"
: PSK 0sFpZAZqEN6Ti9sqt4ZP5EWcqx
alice : EAP "x"
include /etc/other.secrets
`;
